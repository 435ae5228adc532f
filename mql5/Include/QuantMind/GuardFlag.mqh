//+------------------------------------------------------------------+
//| GuardFlag.mqh                                          QuantMind  |
//| How the bridge tells other EAs of its terminal that the floor     |
//| guard refuses what opens.                                         |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_GUARDFLAG_MQH
#define QUANTMIND_GUARDFLAG_MQH

#define QM_GUARD_FLAG_S   10            // a flag that was not renewed for so long is of a bridge that is gone

//+------------------------------------------------------------------+
//| A global variable of the terminal: since when it refuses by       |
//| TimeLocal, renewed every second; 0: it does not                   |
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
   if(!GlobalVariableGet(QMGuardVariable(AccountInfoInteger(ACCOUNT_LOGIN)),flag))
      return(false);
   double age=(double)TimeLocal()-flag;
   return(flag>0.0 && age>-QM_GUARD_FLAG_S && age<QM_GUARD_FLAG_S);
  }

#endif
