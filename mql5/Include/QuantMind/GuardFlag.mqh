//+------------------------------------------------------------------+
//| GuardFlag.mqh                                          QuantMind  |
//| How the bridge tells other EAs of its terminal that the floor     |
//| guard refuses what opens.                                         |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_GUARDFLAG_MQH
#define QUANTMIND_GUARDFLAG_MQH

//+------------------------------------------------------------------+
//| A global variable of the terminal: 1 it refuses, 0 it does not    |
//+------------------------------------------------------------------+
string QMGuardVariable(const long login)
  {
   return("QuantMind.cut_off."+IntegerToString(login));
  }
//+------------------------------------------------------------------+
//| Whether the guard of this account refuses what opens; without a   |
//| bridge in this terminal it does not                               |
//+------------------------------------------------------------------+
bool QMGuardRefuses(void)
  {
   double flag=0.0;
   return(GlobalVariableGet(QMGuardVariable(AccountInfoInteger(ACCOUNT_LOGIN)),flag) && flag>0.0);
  }

#endif
